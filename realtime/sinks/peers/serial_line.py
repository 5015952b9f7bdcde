"""A serial line or a control line of it, by pyserial: hardware that is switched by the alarm."""

import errno
import os
import re
from typing import Any

from fishrt.errors import ConfigError, OutputError
from fishrt.install_hints import require
from realtime.event import Event, EventKind
from realtime.sinks.address import Address
from realtime.sinks.peer import acts_now
from realtime.update import Update

DEFAULT_BAUD = 115_200
WRITE_TIMEOUT_S = 2.0
CONTROL_LINES = ("rts", "dtr")
HEXADECIMAL = re.compile(r"0x([0-9a-fA-F]{2})+")
ESCAPES = {r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\0": "\0"}


class SerialPeer:
    """Writes bytes, or sets a control line, when the alarm starts and when it ends.

    At the start, after a loss and at the end it is switched off: hardware never stays on because
    fishrt left.
    """

    def __init__(self, address: Address) -> None:
        """Remembers the address.

        Raises:
            ConfigError: If it names no device, or an option is wrong.
            MissingExtraError: If pyserial is not installed.
        """
        require("serial", "serial")
        address.check_options("baud", "on", "off", "line")
        self._device = address.place + address.path
        if not self._device:
            raise ConfigError("--to serial: names no device; write serial:///dev/ttyUSB0.")
        self._baud = address.number("baud", DEFAULT_BAUD)
        self._bytes = {
            True: byte_string(address.options.get("on", "1")),
            False: byte_string(address.options.get("off", "0")),
        }
        self._line = address.options.get("line")
        if self._line is not None and self._line not in CONTROL_LINES:
            raise ConfigError(f"--to {address.name}: line must be rts or dtr, not {self._line!r}.")
        self._port: Any = None

    def connect(self) -> bool:
        """Opens the device and switches it off."""
        import serial

        port = serial.Serial(baudrate=self._baud, write_timeout=WRITE_TIMEOUT_S)
        port.port = self._device
        if self._line is not None:  # before it is open, or the line is up for a moment
            setattr(port, self._line, False)
        try:
            port.open()
        except serial.SerialException as error:
            raise self._problem(error) from error
        self._port = port
        self._switch(False)
        return True

    def write(self, item: Update) -> None:
        """Frames are not for this line."""
        del item

    def event(self, event: Event) -> None:
        """Switches on at the start of an alarm and off at its end; not on if that is long ago."""
        if event.kind is EventKind.ALARM_END:
            self._switch(False)
        elif event.kind is EventKind.ALARM_START and acts_now(event.wall):
            self._switch(True)

    def close(self) -> None:
        """Switches off and closes the device."""
        port = self._port
        if port is None:
            return
        try:
            self._switch(False)
        finally:
            self._port = None
            port.close()

    def _problem(self, error: OSError) -> OutputError:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        cure = "check its name and its plug"
        if error.errno == errno.EACCES:
            cure = "on Linux, add yourself to the group dialout"
        return OutputError(f"the serial line {self._device} cannot be opened: {reason}; {cure}.")

    def _switch(self, on: bool) -> None:
        if self._line is not None:
            setattr(self._port, self._line, on)
            return
        self._port.write(self._bytes[on])
        self._port.flush()


def byte_string(text: str) -> bytes:
    r"""What is written to the line: `0x01ff` is hexadecimal, all else text with `\n` and such.

    Args:
        text: As the user wrote it.
    """
    if HEXADECIMAL.fullmatch(text):
        return bytes.fromhex(text[2:])
    for written, meant in ESCAPES.items():
        text = text.replace(written, meant)
    return text.encode()

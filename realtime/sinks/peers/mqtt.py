"""MQTT, by paho-mqtt: topics of forecasts, events, the alarm and our presence at a broker."""

from typing import Any

from fishrt.errors import ConfigError, OutputError
from fishrt.install_hints import require
from realtime.event import Event, EventKind
from realtime.forecast import Forecast
from realtime.sinks.address import Address
from realtime.sinks.peer import acts_now, reason_of

DEFAULT_PORT, DEFAULT_TLS_PORT = 1883, 8883
TLS = "mqtts"
CONNECT_TIMEOUT_S = 5.0
DELIVERY_TIMEOUT_S = 2.0
KEEP_ALIVE_S = 15
AT_MOST_ONCE, AT_LEAST_ONCE = 0, 1


class MqttPeer:
    """Publishes below a topic: `forecast`, `event`, and what is retained, `alarm` and `status`.

    Reconnecting is not left to paho-mqtt, so that what happened is known and told.

    Events that come late are published as events alone: `alarm` is what holds now. It is off by the
    end of an alarm, whenever that was; on by a start or a forecast that is fresh.
    """

    def __init__(self, address: Address) -> None:
        """Remembers the address.

        Raises:
            ConfigError: If it has no host or no topic, or options.
            MissingExtraError: If paho-mqtt is not installed.
        """
        require("mqtt", "paho")
        address.check_options()
        self._address = address
        self._topic = address.path.strip("/")
        if not address.host or not self._topic or set(self._topic) & set("#+"):
            raise ConfigError(
                f"--to {address.name} needs a host and a topic, as in mqtt://127.0.0.1/tank."
            )
        self._client: Any = None
        self._begun = False
        self._told: bool | None = None  # the alarm as this connection was told it
        self._turned = -1  # the frame of the newest start or end of an alarm

    def connect(self) -> bool:
        """Connects, and says that we are online; at the beginning, that there is no alarm."""
        from threading import Event as Signal

        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        answered = Signal()
        refusals: list[str] = []

        def on_connect(client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
            del client, data, flags, properties
            if reason.is_failure:
                refusals.append(str(reason))
            answered.set()

        client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.on_connect = on_connect
        client.username_pw_set(self._address.user, self._address.password)
        client.will_set(f"{self._topic}/status", "offline", AT_LEAST_ONCE, retain=True)
        if self._address.scheme == TLS:
            client.tls_set()
        default = DEFAULT_TLS_PORT if self._address.scheme == TLS else DEFAULT_PORT
        try:
            client.connect(self._address.host, self._address.port or default, KEEP_ALIVE_S)
        except (OSError, ValueError) as error:
            raise self._problem(reason_of(error)) from error
        self._client = client
        client.loop_start()
        if not answered.wait(CONNECT_TIMEOUT_S):
            raise self._problem("the broker does not answer")
        if refusals:
            raise self._problem(f"the broker refuses us ({refusals[0]})")
        self._publish("status", "online", AT_LEAST_ONCE, retain=True)
        self._told = None  # a new broker may have forgotten what it was told
        if not self._begun:
            self._tell_alarm(False)
            self._begun = True
        return True

    def write(self, item: Forecast) -> None:
        """Publishes a forecast, at most once, and the alarm where it is not known to the broker."""
        self._publish("forecast", item.to_json(), AT_MOST_ONCE)
        # events overtake frames: what a frame before the newest event says does not hold any more
        if item.frame > self._turned and (acts_now(item.emit_time) or not item.alarm):
            self._tell_alarm(item.alarm)

    def event(self, event: Event) -> None:
        """Publishes an event, at least once, and the alarm if it begins or ends by it now."""
        self._publish("event", event.to_json(), AT_LEAST_ONCE)
        starts = event.kind is EventKind.ALARM_START
        if starts or event.kind is EventKind.ALARM_END:
            self._turned = self._turned if event.frame is None else event.frame
            if acts_now(event.wall) or not starts:
                self._tell_alarm(starts)

    def close(self) -> None:
        """Takes the alarm back, says that we are offline, and disconnects."""
        client = self._client
        if client is None:
            return
        try:
            if client.is_connected():
                self._tell_alarm(False)
                self._publish("status", "offline", AT_LEAST_ONCE, retain=True)
        finally:
            self._client = None
            client.disconnect()
            client.loop_stop()

    def _tell_alarm(self, on: bool) -> None:
        if on is not self._told:
            self._publish("alarm", str(int(on)), AT_LEAST_ONCE, retain=True)
            self._told = on

    def _publish(self, what: str, text: str, qos: int, retain: bool = False) -> None:
        """Publishes and waits until it is on its way: else a stuck broker would fill our memory."""
        if not self._client.is_connected():
            raise self._problem("the broker is gone")
        message = self._client.publish(f"{self._topic}/{what}", text, qos, retain)
        try:
            message.wait_for_publish(DELIVERY_TIMEOUT_S)
            delivered = message.is_published()
        except (ValueError, RuntimeError) as error:
            raise self._problem("the broker is gone") from error
        if not delivered and not self._client.is_connected():  # it went while we waited
            raise self._problem("the broker is gone")
        if not delivered:
            raise self._problem("the broker does not confirm what it gets")

    def _problem(self, reason: str) -> OutputError:
        return OutputError(self._address.redact(f"{self._address.name} is not reached: {reason}."))

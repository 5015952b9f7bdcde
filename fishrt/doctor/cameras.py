"""Cameras: which there are, and whether they give a picture."""

import os
from pathlib import Path

from fishrt.doctor.finding import Finding, Level
from fishrt.doctor.probe import ask

TOPIC = "cameras"
LIMIT_S = 15.0
VIDEO4LINUX = Path("/sys/class/video4linux")
DEVICES = Path("/dev")
GUESSED = (0, 1)
"""Camera numbers that are tried where the system does not say which there are."""


def check_cameras() -> list[Finding]:
    """One finding for each camera, or that there is none."""
    if not Path("/sys").is_dir():  # not Linux
        named = {number: f"camera {number}" for number in GUESSED}
        tried = [try_camera(number, name) for number, name in named.items()]
        return [finding for finding in tried if finding.level is Level.OK] or [_none()]
    cameras = list_cameras()
    if not cameras:
        return [_none()]
    findings = [try_camera(number, name) for number, name in cameras.items()]
    # a USB camera has a second node for metadata, which gives no pictures by nature
    working = {f.values["name"] for f in findings if f.level is Level.OK}
    return [f for f in findings if f.level is Level.OK or f.values["name"] not in working]


def list_cameras() -> dict[int, str]:
    """Names of the V4L2 devices, by camera number."""
    cameras = {}
    for device in VIDEO4LINUX.glob("video*"):
        number = device.name.removeprefix("video")
        if number.isdigit():
            try:
                cameras[int(number)] = (device / "name").read_text(errors="replace").strip()
            except OSError:
                cameras[int(number)] = device.name
    return dict(sorted(cameras.items()))


def try_camera(number: int, name: str) -> Finding:
    """Takes a picture with one camera."""
    device = DEVICES / f"video{number}"
    values: dict[str, object] = {"number": number, "name": name}
    if device.exists() and not os.access(device, os.R_OK | os.W_OK):
        what = f"{device} ({name}) may not be opened by you"
        cure = "sudo usermod -aG video $USER  # then log in again"
        return Finding(TOPIC, Level.WARNING, what, cure, values)
    tried = ask("camera", str(number), limit_s=LIMIT_S)
    if tried.values is None:
        what = f"camera {number} ({name}): {tried.reason}"
        cure = f"close the program that has it (fuser {device}), or plug it in again"
        return Finding(TOPIC, Level.WARNING, what, cure, values)
    size = f"{tried.values['width']}x{tried.values['height']}"
    what = f"camera {number} ({name}) gives pictures of {size} at {tried.values['fps']:g} fps"
    return Finding(TOPIC, Level.OK, what, values=values | tried.values)


def _none() -> Finding:
    return Finding(TOPIC, Level.NOTE, "no camera; files, URLs and --camera demo work without one")

"""Opens one camera and takes a picture; its number is the argument."""

import sys

from fishrt.doctor.probe import answer

if __name__ == "__main__":
    try:
        import cv2

        capture = cv2.VideoCapture(int(sys.argv[1]))
        picture = capture.read()[1] if capture.isOpened() else None
        if picture is not None:
            height, width = picture.shape[:2]
            answer({"width": width, "height": height, "fps": capture.get(cv2.CAP_PROP_FPS)})
        else:
            answer(None, "it gives no picture" if capture.isOpened() else "it cannot be opened")
    except Exception as error:
        answer(None, f"{type(error).__name__}: {error}")

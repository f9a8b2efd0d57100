"""`python -m tests.desktop.many_looks COUNT`: a tray on X that always has something new to show.

It ends when it has shown all of it, and somebody has clicked all the while.
"""

import sys
import threading

from mlx_gui.desktop.faces.pystray_face import PystrayFace
from mlx_gui.desktop.menu_model import Action, Look


def main(count: int) -> None:
    face = PystrayFace()
    clicked = threading.Semaphore(0)

    def show_all() -> None:
        for number in range(count):
            icon = "busy" if number % 2 else "running"
            face.show(Look(icon=icon, title=str(number), menu=(), first=Action("open")))
            if number % 10 == 0:
                clicked.acquire()
        face.end()

    face.run(threading.Thread(target=show_all).start, lambda _: clicked.release())


if __name__ == "__main__":
    main(int(sys.argv[1]))

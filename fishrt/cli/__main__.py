"""`python -m fishrt.cli`: the same as `fishrt`."""

from fishrt.cli import main

main()

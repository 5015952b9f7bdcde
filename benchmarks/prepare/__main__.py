"""How fast `fishrt prepare` is, and how much memory it takes.

    python -m benchmarks.prepare speed          against the published way, and bare decoding
    python -m benchmarks.prepare memory         peak memory at several lengths

Both make their own footage of the simulated tank in a scratch folder. Give a video of your own
with --video. All figures of one line come from one run, in turn, because the machine may be shared;
the processor time a frame (all threads and processes together) depends less on who else is at
work. Needs Linux, for /proc.
"""

import argparse
from pathlib import Path


def main() -> None:
    """Runs the benchmark that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("speed", "memory", "one", "bare", "simulate"))
    parser.add_argument("--video", type=Path, help="for speed: only this video")
    parser.add_argument("--hours", type=float, nargs="+", default=[0.1, 1, 10], help="for memory")
    parser.add_argument("--of", help="for one, bare and simulate, which memory starts")
    arguments = parser.parse_args()
    if arguments.what == "speed":
        from benchmarks.prepare.speed import speed

        speed(arguments.video)
        return
    from benchmarks.prepare import memory

    if arguments.what == "memory":
        memory.memory(arguments.hours)
    elif arguments.what == "one":
        memory.one(arguments.of)
    elif arguments.what == "bare":
        memory.bare(Path(arguments.of))
    else:
        memory.simulate(float(arguments.of))


if __name__ == "__main__":
    main()

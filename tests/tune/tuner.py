"""Tuners for the kill test: one process that has imported everything and forks one for each line.

python tuner.py net.lir tuning.db 10        a line is a seed; children say what is in the database
"""

import os
import sys


def main(lir: str, database: str, trials: str) -> None:
    import sparsetvm as st
    from sparsetvm.tune.session import tune

    ir = st.load_ir(lir)
    print("ready", flush=True)
    for line in sys.stdin:
        if os.fork() == 0:
            print(f"child {os.getpid()}", flush=True)
            tuned = tune(
                ir,
                trials=int(trials),
                threads=1,
                database=database,
                seed=int(line),
                name=("small", "pattern8x-b8"),
                progress=lambda state: print(f"known {state.trials} {state.task}", flush=True),
            )
            print(f"done {tuned.trials}", flush=True)
            os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])

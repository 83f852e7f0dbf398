"""Runs a server program and ends it, with all its children, when our stdin ends: started by `server_program`.

A server that sizewise started must not outlive it, even when sizewise is killed. The first line on stdout is
the program's process id; the exit code is the program's.
"""

import os
import signal
import subprocess
import sys
import threading


def main() -> None:
    """Run the command line given in the arguments."""
    apart = os.name == "posix"
    program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=2, stderr=2, start_new_session=apart)
    print(program.pid, flush=True)

    def end(force: bool) -> None:
        if apart:
            try:
                os.killpg(program.pid, signal.SIGKILL if force else signal.SIGTERM)
            except ProcessLookupError:
                return
        else:
            program.terminate()

    def watch() -> None:
        sys.stdin.buffer.read()
        end(force=False)
        try:
            program.wait(5)
        except subprocess.TimeoutExpired:
            end(force=True)

    threading.Thread(target=watch, daemon=True).start()
    code = program.wait()
    end(force=True)
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()

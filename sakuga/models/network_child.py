"""A process that enlarges luma planes: questions come on standard input, answers go to standard output."""

import os
import pickle
import sys

from sakuga.errors import SakugaError
from sakuga.models.network import enlarge_luma


def main() -> None:
    """Answer until the input ends, which it does when the parent does."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        # what a library prints must not get between the answers
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        while True:
            try:
                question = pickle.load(sys.stdin.buffer)
            except EOFError:
                return
            answer: object
            try:
                answer = enlarge_luma(*question)
            except SakugaError as error:
                answer = error
            pickle.dump(answer, answers, protocol=5)
            answers.flush()


if __name__ == "__main__":
    main()

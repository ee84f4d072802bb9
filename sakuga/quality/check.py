"""One thing that was proved, or not, about a result."""

from sakuga.media.info import Frozen


class Check(Frozen):
    """A check with its measured value, its bound and its verdict.

    `value` and `bound` are texts for people with their units; `detail` says where and what, and is empty
    where there is nothing to add.
    """

    name: str
    value: str
    bound: str
    passed: bool
    detail: str = ""

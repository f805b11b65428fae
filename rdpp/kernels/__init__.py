"""What is there for speed alone, on a CPU above all: every part has a plain form beside it that computes the same.

A kernel is one public function with the signature of torch's own. It asks one switch whether to run, and runs its plain
form where it is off, while torch compiles or exports, and for inputs that it does not serve. Kernel and plain form
agree but for rounding; NaN and infinity stay where torch has them; second derivatives are refused.
`tests/kernels/test_conformance.py` holds all this: a new kernel is one file here and one line there.
"""

from rdpp.kernels.switch import Choice, are_on, use

__all__ = ["Choice", "are_on", "use"]

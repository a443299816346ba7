"""`python -m bowstream` is `bowstream`."""

import sys

from .cli import main

sys.exit(main())

"""`python -m bowstream` is `bowstream`."""

import sys

from bowstream.cli.main import main

sys.exit(main())

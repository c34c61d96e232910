"""`python -m locount` is `locount`."""

import sys

from .cli import main

sys.exit(main())

"""`python -m sprig_server` is the command `sprig`."""

import sys

from sprig_server.cli import main

sys.exit(main())

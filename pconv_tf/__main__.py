"""`python -m pconv_tf` is `pconv-tf`."""

import sys

from pconv_tf.cli.main import main

sys.exit(main())

"""The command line."""

import os

# What other packages plug into pydantic has no say in our files, and takes a look at every package
# that is installed.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

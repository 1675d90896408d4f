"""The command `pconv-tf`."""

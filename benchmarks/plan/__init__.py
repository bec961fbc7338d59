"""What building a suite costs on this machine, before it is built."""

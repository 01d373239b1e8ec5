"""`reelhouse report`: what is in a lake, what it says and how good it is, as one page that needs nothing else."""

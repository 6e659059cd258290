"""What managers read about leads: the pipeline, what was won and lost, and how leads move through the stages."""

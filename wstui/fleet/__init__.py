"""Where load is made: processes that each run a worker, and how the operator's side talks to them."""

"""Where load is made: processes that each run a shard, and how the operator's side talks to them."""

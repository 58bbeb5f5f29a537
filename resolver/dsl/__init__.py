"""What a blueprint says: intrinsic functions, the calls of them, and the plan to evaluate them."""

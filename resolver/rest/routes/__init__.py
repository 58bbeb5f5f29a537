"""The routes: one module for each group. Each function reads its arguments and calls one service method."""

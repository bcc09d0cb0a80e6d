"""The tuner: MetaSchedule searches the schedules, guided by a cost model that sees the sparsity."""

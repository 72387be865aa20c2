"""The ways to reload, one strategy a file: the only code that writes `sys.modules`, without any judgement."""

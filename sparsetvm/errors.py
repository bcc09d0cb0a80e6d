"""What can go wrong for a user: one sentence that says where, what, and the next step."""


class SparseTVMError(Exception):
    """Base of every error that the user can mend; the command line prints it alone and exits with
    1."""


class PlanError(SparseTVMError):
    """A plan that cannot be read, or that asks for what does not exist."""


class StructureError(SparseTVMError):
    """A structure with impossible parameters, or weights that do not follow their structure."""


class ModelError(SparseTVMError):
    """A model that cannot be read, or that holds what no front end can take."""


class TrainingError(SparseTVMError):
    """A training that went astray, or a pruner that is used out of turn."""


class FileError(SparseTVMError):
    """A file that is missing, truncated, altered, of another version, or in the way."""


class InputError(SparseTVMError):
    """An input whose shape, dtype or number is not what the engine was compiled for."""


class TargetError(SparseTVMError):
    """A target that is unknown, or that lacks what it needs on this machine."""


class ScheduleError(SparseTVMError):
    """A choice that is not legal for this shape; the tuner counts it and goes on."""


class DeviceError(SparseTVMError):
    """A device behind a tracker that is not there, went away, or does not do what it is told."""

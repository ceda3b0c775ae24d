"""Programs: a recorded step, as a list of kernel calls on named memory that can be printed, timed and replayed."""

from minidnn.array_access import CaptureError
from minidnn.program.buffers import Buffer, Call
from minidnn.program.program import Program, record_program

__all__ = ["Buffer", "Call", "CaptureError", "Program", "record_program"]

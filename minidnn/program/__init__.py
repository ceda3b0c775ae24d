"""Programs: a step as named calls on named memory, which can be checked, printed, timed and replayed."""

from minidnn.doors import CaptureError
from minidnn.program.buffers import Buffer, Call
from minidnn.program.program import Program, record_program

__all__ = ["Buffer", "Call", "CaptureError", "Program", "record_program"]

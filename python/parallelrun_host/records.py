"""
What a script records through `azureml.core.Run`: the shim finds `record` through `sys.modules`, so that it works, as
a no-op, in processes without a host too.
"""
from time import time

from .channel import ChannelClosed
from .frames import HEADER_BYTES_MAX, INTEGER_MAX, to_json

VALUE_CHARACTERS_MAX = HEADER_BYTES_MAX // 4
_DEPTH_MAX = 20
#: Level for loggers of the helper classes, from the settings of the run.
logging_level = "INFO"
_channel = None
# within a list, where libraries that fake the time by replacing module attributes don't find it
_clock = [time]


def attach(channel):
    global _channel
    _channel = channel


def record(what, name, value):
    """`what`: metric, tag, property or file. Any thread; never raises for a value or a closed channel."""
    channel = _channel
    if channel is None or channel.closed:
        return
    header = {"m": "record", "what": what, "name": str(name)[:1000], "value": plain(value), "w": _clock[0]()}
    if len(to_json(header["value"])) > VALUE_CHARACTERS_MAX:
        header["value"] = str(value)[:10000] + " ... (too large to be kept)"
    try:
        channel.send(header)
    except ChannelClosed:
        pass


def plain(value, depth=0):
    """A value that the protocol can hold: NaN, infinities and integers beyond 2^53 become texts."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value) if -INTEGER_MAX <= value <= INTEGER_MAX else str(value)
    if isinstance(value, float):
        number = float(value)
        return number if number - number == 0 else str(number)
    if depth >= _DEPTH_MAX:
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, depth + 1) for item in value]
    try:
        return plain(value.tolist(), depth + 1)  # numpy arrays and scalars, pandas Series
    except Exception:
        return str(value)

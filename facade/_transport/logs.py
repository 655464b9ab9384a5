"""No key in the logs of the libraries underneath: a service may send it back in a header."""

import logging
import weakref

from facade._transport.config import Config
from facade._transport.exceptions import redact

# Of the clients that there are; one that is gone takes its key along.
_configs: weakref.WeakValueDictionary[int, Config] = weakref.WeakValueDictionary()


def keep_out_of_logs(config: Config) -> None:
    """Take the key of a client out of all that httpx and httpcore log from now on."""
    _configs[id(config)] = config


def forget(config: Config) -> None:
    """Let the key of a closed client be."""
    _configs.pop(id(config), None)


class _KeyFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        for config in list(_configs.values()):
            if config.key in text:
                text = redact(text, config.key)
                record.msg, record.args = text, ()
        return True


for _name in ("connection", "http11", "http2", "proxy", "socks"):
    logging.getLogger(f"httpcore.{_name}").addFilter(_KeyFilter())
for _name in ("httpx", "hpack.hpack", "hpack.table"):
    logging.getLogger(_name).addFilter(_KeyFilter())

"""Settings declared once: a variable's name, its default and the values that it may have.

    @dataclass(frozen=True, kw_only=True)
    class ShopSettings(EnvironmentSettings):
        port: int = setting("SHOP_PORT", 8000, port_number)
        password: str = secret("SHOP_PASSWORD")
        telemetry: TelemetrySettings = nested(TelemetrySettings)

`ShopSettings.from_env()` reads them all and raises one SettingsError that lists every bad variable.
An empty variable counts as unset. Any module of settings may import this; it needs the standard
library only.
"""

from .hosts import Refusal, TrustedHosts
from .parsers import flag, http_url, integer, number, one_of, pairs, port_number, port_or_any, words
from .reader import EnvironmentReader, Setting, SettingsError, exit_for
from .settings import EnvironmentSettings, nested, secret, setting

__all__ = [
    "EnvironmentReader",
    "EnvironmentSettings",
    "Refusal",
    "Setting",
    "SettingsError",
    "TrustedHosts",
    "exit_for",
    "flag",
    "http_url",
    "integer",
    "nested",
    "number",
    "one_of",
    "pairs",
    "port_number",
    "port_or_any",
    "secret",
    "setting",
    "words",
]

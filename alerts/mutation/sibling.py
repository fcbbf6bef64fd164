"""The package `promrules`, copied along with this one: in the same package, or at the top."""

if "." in str(__package__):
    from ..promrules import (  # noqa: TID252 - the parent may have any name
        commands,
        durations,
        errors,
        promtool,
        reading,
        rule_sites,
        source,
        test_file,
        yaml_text,
    )
else:
    from promrules import (  # type: ignore[import-not-found,no-redef]
        commands,
        durations,
        errors,
        promtool,
        reading,
        rule_sites,
        source,
        test_file,
        yaml_text,
    )

__all__ = [
    "commands",
    "durations",
    "errors",
    "promtool",
    "reading",
    "rule_sites",
    "source",
    "test_file",
    "yaml_text",
]

"""The instrumentation kit: copy this folder anywhere, under any name.

The modules and packages on top are public, each named after what it instruments. Packages that
begin with an underscore are private: only this kit imports them, and any of them may change.
Inside, all imports are relative, and importing the kit itself loads nothing else.
"""

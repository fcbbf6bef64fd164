"""Read dashboard JSON of any age into one shape; works with the dashboards of any project.

`verify` and the local console share it, so both read a file alike. Imports nothing outside this
package.
"""

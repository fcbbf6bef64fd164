"""Metrics of several processes of one service, shared through files in one folder.

Private: only this kit imports it, and any of it may change.

Each process writes: `shared_values` counters and gauges, `histograms` buckets and sums,
`exemplars` the newest exemplar of each bucket. The main process reads: `totals` adds up the files,
`collector` turns the sums into metric families and archives the files of dead processes.
`liveness` tracks which processes are alive; `forking` keeps threads and forks apart.
"""

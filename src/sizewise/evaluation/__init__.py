"""Ask a candidate the samples of a task and judge the answers: samples -> runtime -> trials.

Does not cover: which sample is worth asking (race), what the trials mean (verdict), keeping them (store),
latency under load (loadgen): concurrency here is fixed and small, so that every time is of one known load.
"""

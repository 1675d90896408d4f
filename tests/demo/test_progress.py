from pconv_tf.demo.progress import Progress


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_steps_are_numbered_and_the_time_left_follows_the_batches():
    clock, lines, counts = Clock(), [], []
    progress = Progress(3, 300, lines.append, counts.append, clock)
    progress.begin("first")
    clock.now = 50  # building the graph is not the time of a batch
    progress.trained()
    for _ in range(99):
        clock.now += 0.5
        progress.trained()
    progress.epoch(1, 3, 0.9)
    progress.begin("second")
    assert lines == [
        "[1/3] first",
        "      epoch 1/3: training accuracy 90.00 %, training ends in about 1:40",
        "[2/3] second",
    ]
    assert sum(counts) == 100


def test_batches_of_an_earlier_run_count_as_done_but_not_as_time():
    clock, lines = Clock(), []
    progress = Progress(1, 100, lines.append, lambda count: None, clock)
    progress.begin("training")
    progress.skip(80)
    for _ in range(11):
        progress.trained()
        clock.now += 1
    progress.epoch(9, 10, 1.0)
    assert lines[-1].endswith("training ends in about 0:09")

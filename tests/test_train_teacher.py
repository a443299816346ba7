"""Another tagger: asked about recordings, and the file of what it says."""

import numpy as np
import pytest
import soundfile

from bowstream.errors import UsageError
from train.cli import main
from train.dataset.teacher import read_teacher
from train.measure.waveform import waveform_tagger

pytest.importorskip("tensorflow", reason="needs the train extra: pip install -e '.[train]'")

WINDOW = 1600


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A tagger of two labels: the mean square of a window, and 1 less that."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((WINDOW,), tf.float32)])
    def scores(samples):
        power = tf.reduce_mean(tf.square(samples), keepdims=True)
        return tf.stack([power, 1.0 - power], axis=1)

    folder = tmp_path_factory.mktemp("network")
    converter = tf.lite.TFLiteConverter.from_concrete_functions([scores.get_concrete_function()])
    (folder / "loudness.tflite").write_bytes(converter.convert())
    (folder / "labels.csv").write_text('index,mid,display_name\n0,x,Loud\n1,y,"Quiet, still"\n')
    (folder / "labels.txt").write_text("Loud\n")
    return folder / "loudness.tflite"


def test_windows_cover_a_recording_and_its_end_is_completed(network):
    tagger = waveform_tagger(network, network.with_name("labels.csv"))
    assert tagger.labels == ("Loud", "Quiet, still") and tagger.window_length == WINDOW
    ones = np.ones(2 * WINDOW + 400, np.float32)
    assert tagger.scores(ones, WINDOW)[:, 0] == pytest.approx([1.0, 1.0, 0.25])
    assert tagger.scores(ones[:400], WINDOW)[:, 0] == pytest.approx([0.25])
    assert len(tagger.scores(ones[:WINDOW], WINDOW // 2)) == 1


def test_teacher_command_writes_what_is_read(network, tmp_path, capsys):
    for name, value in (("bang/a.wav", 0.5), ("hush/b.wav", 0.0)):
        (tmp_path / name).parent.mkdir()
        soundfile.write(tmp_path / name, np.full(WINDOW, value), 16_000)
    model = ["--model", str(network), "--labels", str(network.with_name("labels.csv"))]
    model += ["--runs", str(tmp_path / "runs")]
    assert main(["teacher", str(tmp_path), *model, "--out", str(tmp_path / "scores")]) == 0
    teacher = read_teacher(tmp_path / "scores")
    scores, asked = teacher.of(["hush/b.wav", "bang/a.wav", "c.wav"])
    assert teacher.labels == ("Loud", "Quiet, still") and asked.tolist() == [True, True, False]
    assert scores[:2] == pytest.approx(np.array([[0.0, 1.0], [0.25, 0.75]]), abs=0.004)
    (tmp_path / "none").mkdir()
    assert main(["teacher", str(tmp_path / "none"), *model, "--out", str(tmp_path / "scores")]) == 1
    assert "there are no recordings in it" in capsys.readouterr().err


def test_labels_that_do_not_fit_and_what_is_no_network_are_refused(network, tmp_path):
    with pytest.raises(UsageError, match=r"gives 2 scores, .*labels.txt names 1 labels"):
        waveform_tagger(network, network.with_name("labels.txt"))
    (tmp_path / "x.tflite").write_text("no")
    with pytest.raises(UsageError, match="is no TFLite network that can be run"):
        waveform_tagger(tmp_path / "x.tflite", network.with_name("labels.csv"))

import subprocess
import sys


def test_load_matplotlib_skips_docstrings_and_leaves_the_method_as_it_was() -> None:
    script = (
        "from dlkit.plotting.loading import load_matplotlib\n"
        "import matplotlib.artist as a\n"
        "before = a.Artist.__dict__['_update_set_signature_and_docstring']\n"
        "load_matplotlib()\n"
        "from matplotlib.lines import Line2D\n"
        "line = Line2D([0], [0])\n"
        "line.set(linewidth=3)\n"
        "print(line.get_linewidth(), bool(Line2D.set.__doc__))\n"
        "print(a.Artist.__dict__['_update_set_signature_and_docstring'] is before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3.0", "False", "True"]

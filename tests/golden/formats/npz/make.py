"""Feature statistics as numpy.savez and savez_compressed write them, and the same arrays as safetensors.

mu f64 [5], sigma f64 [5, 5] (symmetric), odd f32 [2, 3, 4] in Fortran order, count i64 [].
"""
import hashlib
import pathlib

import numpy
import safetensors
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent
random = numpy.random.RandomState(5)
rows = random.normal(size=(40, 5))
arrays = {
    "mu": rows.mean(0),
    "sigma": numpy.cov(rows, rowvar=False),
    "odd": random.normal(size=(2, 3, 4)).astype(numpy.float32),
    "count": numpy.array(40),
}
fortran = {name: numpy.asfortranarray(value) for name, value in arrays.items()}
numpy.savez(here / "stored.npz", **fortran)
numpy.savez_compressed(here / "deflated.npz", **fortran)
save_file({name: numpy.ascontiguousarray(value) for name, value in arrays.items()}, here / "data.safetensors", {
    "make.py": hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest(),
    "versions": f"numpy {numpy.__version__}, safetensors {safetensors.__version__}",
})

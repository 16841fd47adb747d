"""Stands for a build backend while pip downloads a source distribution: it asks for the name and the version, and builds nothing.
With the real one it would need a compiler for Rust and its packages, for tests that are written in Python.
"""

import os


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    name, version = os.environ["STUB_NAME"], os.environ["STUB_VERSION"]
    folder = f"{name}-{version}.dist-info"
    os.makedirs(os.path.join(metadata_directory, folder))
    with open(os.path.join(metadata_directory, folder, "METADATA"), "w") as file:
        file.write(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return folder

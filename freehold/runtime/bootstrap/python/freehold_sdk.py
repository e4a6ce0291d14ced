"""boto3, imported and warmed before any fork, so that a function's first client costs what is its own.

Warm means: the modules that a first client imports lazily, the documents that every client reads (endpoints, partitions,
defaults, retry rules: parsed once, never changed by botocore), and the default session that `boto3.client` uses. No
credentials, no region and no configuration are looked up here: a session asks the environment when it makes a client.
"""

from __future__ import annotations

import importlib
import os
import sys

_DIRECTORY = "/var/runtime"
_LAZY = (
    "botocore.client",
    "botocore.httpsession",
    "botocore.endpoint",
    "boto3.dynamodb.conditions",
    "boto3.dynamodb.types",
)
_DOCUMENTS = ("endpoints", "partitions", "sdk-default-configuration", "_retry")
_CONFIGURATION = (
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_DATA_PATH",
)


def preload(directories):
    """Import and warm boto3 from `directories`, which are on the path only meanwhile."""
    sys.path[:0] = directories
    try:
        import boto3

        for name in _LAZY:
            importlib.import_module(name)
        _share_documents()
        # A throw-away client imports what is imported late; nothing is sent, nothing of it is kept.
        session = boto3.session.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")
        session.client("sts", endpoint_url="http://127.0.0.1:9")
        boto3.setup_default_session()
        loader = boto3.DEFAULT_SESSION._session.get_component("data_loader")
        for kind in ("service-2", "resources-1", "endpoint-rule-set-1"):
            loader.list_available_services(kind)
        for name in _DOCUMENTS:
            loader.load_data(name)
    finally:
        del sys.path[: len(directories)]


def _share_documents():
    """Documents of every client are parsed once for all sessions; service models stay with their session."""
    from botocore import loaders

    class SharedDocuments(loaders.JSONFileLoader):
        """Reads JSON documents; keeps the few that every client needs."""

        _kept: dict = {}

        def load_file(self, file_path):
            if os.path.basename(file_path) not in _DOCUMENTS:
                return super().load_file(file_path)
            if file_path not in self._kept:
                self._kept[file_path] = super().load_file(file_path)
            return self._kept[file_path]

    loaders.Loader.FILE_LOADER_CLASS = SharedDocuments


def settle():
    """In the instance: a function that brings its own AWS configuration gets sessions that read it."""
    boto3 = sys.modules.get("boto3")
    if boto3 is not None and any(name in os.environ for name in _CONFIGURATION):
        boto3.DEFAULT_SESSION = None

"""A stand-in for W&B's server, on this machine: what `wandb sync` and online runs need, and what they have sent."""

import gzip
import json
import re
import threading
from collections import defaultdict
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENTITY = {"id": "E", "name": "e"}


class Server(ThreadingHTTPServer):
    """``history`` of each run by its id, as rows; its ``files`` (name → bytes); its ``config``; ``views`` by name.

    ``artifacts`` by their ids, as type/name; their bytes are in ``files``, too, and they are whole once ``committed``.
    ``connections``: how often somebody came, whatever was wanted.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.history: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.files: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.runs: dict[str, dict[str, Any]] = {}
        self.config: dict[str, dict[str, Any]] = defaultdict(dict)
        self.views: dict[str, dict[str, Any]] = {}
        self.artifacts: dict[str, str] = {}
        self.committed: set[str] = set()
        self.asked: list[str] = []
        self.connections = 0
        self.one_by_one = threading.Lock()

    def verify_request(self, *_: Any) -> bool:
        self.connections += 1
        return True

    def handle_error(self, *_: Any) -> None:
        """A client that has gone, which is its own affair; of anything else its test hears by what is not there."""

    def answer(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        """What GraphQL's operation ``name`` returns."""
        self.asked.append(name)
        made = getattr(self, f"_{name}", None)
        with self.one_by_one:
            return made(given) if made else {}

    def _UpsertBucket(self, given: dict[str, Any]) -> dict[str, Any]:
        run = given.get("name") or "r"
        new = run not in self.runs
        self.runs[run] = self.runs.get(run, {}) | {key: value for key, value in given.items() if value is not None}
        self.config[run] |= json.loads(given.get("config") or "{}")
        project = {"id": "P", "name": given.get("project") or "p", "entity": ENTITY}
        bucket = {"id": run, "name": run, "displayName": run, "description": None, "config": None, "sweepName": None}
        kept = {"project": project, "historyLineCount": len(self.history[run])}
        return {"upsertBucket": {"bucket": bucket | kept, "inserted": new}}

    def _RunResumeStatus(self, given: dict[str, Any]) -> dict[str, Any]:
        run = given["name"]
        rows = self.history[run]
        if not rows:
            return {"model": None}
        last = json.dumps({"_step": rows[-1]["_step"], "_runtime": 9})
        bucket = {"id": run, "name": run, "displayName": run, "summaryMetrics": last, "logLineCount": 0}
        bucket |= {"historyLineCount": len(rows), "eventsLineCount": 0, "historyTail": json.dumps([last])}
        bucket |= {"eventsTail": "[]", "config": "{}", "wandbConfig": '{"t":1}', "tags": [], "stopped": False}
        bucket |= {"projectId": "1", "computeSeconds": 1}
        return {"model": {"id": "M", "name": "p", "internalId": "1", "entity": ENTITY, "bucket": bucket}}

    def _CreateRunFiles(self, given: dict[str, Any]) -> dict[str, Any]:
        wanted = [{"name": file, "uploadUrl": f"{self.url}/up/{given['run']}/{file}"} for file in given["files"]]
        return {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": wanted}}

    def _CreateArtifact(self, given: dict[str, Any]) -> dict[str, Any]:
        """It waits for its files, which are asked for by name and then put."""
        given = given.get("input") or given
        made = f"artifact-{len(self.artifacts)}"
        self.artifacts[made] = f"{given['artifactTypeName']}/{given['artifactCollectionName']}"
        kept = {"id": made, "state": "PENDING", "artifactSequence": {"id": made, "latestArtifact": None}}
        return {"createArtifact": {"artifact": kept}}

    def _CreateArtifactManifest(self, given: dict[str, Any]) -> dict[str, Any]:
        file = self._awaited(given["artifactID"], given["name"])
        return {"createArtifactManifest": {"artifactManifest": {"id": given["artifactID"], "file": file}}}

    def _CreateArtifactFiles(self, given: dict[str, Any]) -> dict[str, Any]:
        nodes = [{"node": self._awaited(file["artifactID"], file["name"])} for file in given["input"]["artifactFiles"]]
        return {"createArtifactFiles": {"files": {"edges": nodes}}}

    def _UpdateArtifactManifest(self, given: dict[str, Any]) -> dict[str, Any]:
        file = self._awaited(given["artifactManifestID"], "wandb_manifest.incremental.json")
        return {"updateArtifactManifest": {"artifactManifest": {"id": file["artifact"]["id"], "file": file}}}

    def _awaited(self, artifact: str, name: str) -> dict[str, Any]:
        where = {"uploadUrl": f"{self.url}/up/{artifact}/{name}", "uploadHeaders": [], "uploadMultipartUrls": None}
        file = {"id": name, "name": name, "displayName": name, "storagePath": name, "artifact": {"id": artifact}}
        return file | where

    def _CommitArtifact(self, given: dict[str, Any]) -> dict[str, Any]:
        self.committed.add(given["artifactID"])
        return {"commitArtifact": {"artifact": {"id": given["artifactID"], "digest": ""}}}

    def _Viewer(self, given: dict[str, Any]) -> dict[str, Any]:
        person = {"id": "V", "entity": "e", "username": "e", "flags": "{}", "admin": False}
        return {"viewer": person | {"teams": {"edges": []}, "apiKeys": {"edges": []}}}

    def _ServerInfo(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"serverInfo": {"cliVersionInfo": {"max_cli_version": "0.99.0"}, "features": []}}

    def _View(self, given: dict[str, Any]) -> dict[str, Any]:
        if given["projectName"] == "nowhere":
            return {"project": None}
        found = self.views.get(given["viewName"])
        return {"project": {"allViews": {"edges": [{"node": found}] if found else []}}}

    def _UpsertView2(self, given: dict[str, Any]) -> dict[str, Any]:
        """By its id, as the real one does: without one it is another view, whatever its name."""
        name, new = given["name"], not given.get("id")
        if new:
            assert name not in self.views
            given = given | {"id": str(len(self.views) + 1)}
        self.views[name] = given | {"saved": self.views.get(name, {}).get("saved", 0) + 1}
        return {"upsertView": {"view": {"id": given["id"], "name": name}, "inserted": new}}

    def streamed(self, run: str, files: dict[str, Any]) -> None:
        """Lines of a run's files, each with the number of its first line."""
        for name, lines in files.items():
            if name == "wandb-history.jsonl":
                rows = [json.loads(line) for line in lines["content"]]
                self.history[run][lines["offset"] :] = rows
            elif name == "wandb-summary.json":
                self.files[run][name] = lines["content"][-1].encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        return gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body

    def _out(self, answer: Any) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        told = json.loads(self._body())
        if self.path.endswith("/file_stream"):
            self.server.streamed(self.path.split("/")[-2], told.get("files") or {})
            return self._out({"exitcode": None, "limits": {}})
        name = told.get("operationName") or re.findall(r"(?:query|mutation)\s+(\w+)", told["query"])[0]
        self._out({"data": self.server.answer(name, told.get("variables") or {})})

    def do_GET(self) -> None:
        self._out({})

    def do_PUT(self) -> None:
        _, _, run, name = self.path.split("/", 3)
        self.server.files[run][name] = self._body()
        self._out({})


@contextmanager
def serving():
    """A server, until the block ends; then nobody answers at its address."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()

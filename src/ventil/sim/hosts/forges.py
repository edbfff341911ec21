"""GitHub's, GitLab's and Codeberg's REST APIs over the repositories of a world."""

from __future__ import annotations

from typing import Any

from ventil.sim.hosts.answer import Answer, Asked, as_json, as_text, conditional
from ventil.sim.hosts.graphql import tree_entries
from ventil.sim.hosts.world import Repo, World

TREE_ENTRIES = 2000
"""Where the listing of a whole tree is cut off here; at GitHub at 100,000 entries or 7 MB."""

FOLDER_ENTRIES = 1000
_PAGE = 20  # GitLab's default is 20, its most is 100


class Forges:
    """Answers for the code hosts of a world. *urls* gives a host's base URL."""

    def __init__(self, world: World, urls: Any) -> None:
        self._world = world
        self._urls = urls

    # GitHub

    def github(self, asked: Asked) -> Answer:
        """`/repos/OWNER/NAME/...` and, where redirects lead, `/repositories/NUMBER/...`."""
        parts = asked.parts
        if parts[:1] == ["repositories"] and len(parts) > 2 and parts[1].isdigit():
            repo, rest = self._world.by_number.get(("github", int(parts[1]))), parts[2:]
        elif parts[:1] == ["repos"] and len(parts) > 3:
            path = f"{parts[1]}/{parts[2]}"
            repo, rest = self._world.repos.get(("github", path.lower())), parts[3:]
            if repo is not None and repo.exists and path.lower() != repo.path.lower():
                there = asked.path.split("/", 4)[4]
                query = "&".join(f"{name}={value}" for name, value in asked.query.items())
                place = f"{self._urls('github')}/repositories/{repo.number}/{there}"
                place += f"?{query}" if query else ""
                return as_json({"message": "Moved Permanently"}, 301, location=place)
        else:
            repo, rest = None, []
        if repo is None or not repo.exists:
            return as_json({"message": "Not Found"}, 404)
        return self._github(asked, repo, rest)

    def _github(self, asked: Asked, repo: Repo, rest: list[str]) -> Answer:
        if rest[0] == "releases":
            return conditional(asked, as_json(_github_releases(repo, asked)))
        if repo.empty:
            return as_json({"message": "Git Repository is empty."}, 409)
        if rest[:2] == ["git", "trees"] and len(rest) == 3:
            if rest[2] not in ("HEAD", repo.branch):
                return as_json({"message": "Not Found"}, 404)
            return conditional(asked, as_json(_tree(repo, "recursive" in asked.query)))
        if rest[0] == "contents":
            if asked.query.get("ref", repo.branch) not in ("HEAD", repo.branch):
                return as_json({"message": "No commit found for the ref"}, 404)
            return conditional(asked, _contents(repo, "/".join(rest[1:]), asked))
        return as_json({"message": "Not Found"}, 404)

    # GitLab

    def gitlab(self, asked: Asked) -> Answer:
        """`/api/v4/projects/PATH/...`, the path encoded as one piece."""
        parts = asked.parts
        if parts[:3] != ["api", "v4", "projects"] or len(parts) < 5:
            return as_json({"error": "404 Not Found"}, 404)
        repo = self._world.repos.get(("gitlab", parts[3].lower()))
        if repo is None or not repo.exists:
            return as_json({"message": "404 Project Not Found"}, 404)
        rest = parts[4:]
        if rest == ["releases"]:
            told = [
                {
                    "tag_name": release.tag,
                    "name": release.name,
                    "description": release.body,
                    "released_at": release.published,
                }
                for release in repo.releases()[: _count(asked)]
            ]
            return conditional(asked, as_json(told))
        files = {} if repo.empty else repo.files()
        if rest == ["repository", "tree"]:
            return self._gitlab_tree(asked, files)
        if rest[:2] == ["repository", "files"] and rest[3:] == ["raw"]:
            if asked.query.get("ref") not in ("HEAD", repo.branch):
                return as_json({"message": "404 Commit Not Found"}, 404)
            return _raw(asked, files, rest[2])
        return as_json({"error": "404 Not Found"}, 404)

    def _gitlab_tree(self, asked: Asked, files: dict[str, bytes | None]) -> Answer:
        folder = asked.query.get("path", "").strip("/")
        entries = sorted(tree_entries(files, folder), key=lambda entry: entry["type"] != "tree")
        if not entries:
            return as_json({"message": "404 Tree Not Found"}, 404)
        size, page = _count(asked), int(asked.query.get("page", "1"))
        shown = entries[(page - 1) * size : page * size]
        more = str(page + 1) if page * size < len(entries) else ""
        top = f"{folder}/" if folder else ""
        told = [{**entry, "path": top + entry["name"]} for entry in shown]
        return conditional(asked, as_json(told, x_next_page=more))

    # Codeberg (Forgejo)

    def codeberg(self, asked: Asked) -> Answer:
        """`/api/v1/repos/OWNER/NAME/...`."""
        parts = asked.parts
        if parts[:3] != ["api", "v1", "repos"] or len(parts) < 6:
            return as_json({"message": "not found"}, 404)
        repo = self._world.repos.get(("codeberg", "/".join(parts[3:5]).lower()))
        if repo is None or not repo.exists:
            return as_json({"message": "not found"}, 404)
        rest = parts[5:]
        if rest == ["releases"]:
            return conditional(asked, as_json(_github_releases(repo, asked)))
        files = {} if repo.empty else repo.files()
        if rest[0] == "contents":
            return conditional(asked, _folder(files, "/".join(rest[1:])))
        if rest[0] == "raw":
            return _raw(asked, files, "/".join(rest[1:]))
        return as_json({"message": "not found"}, 404)


def _github_releases(repo: Repo, asked: Asked) -> list[dict[str, Any]]:
    return [
        {
            "tag_name": release.tag,
            "name": release.name,
            "body": release.body,
            "published_at": release.published,
            "draft": False,
            "prerelease": release.prerelease,
        }
        for release in repo.releases()[: _count(asked)]
    ]


def _tree(repo: Repo, recursive: bool) -> dict[str, Any]:
    files = repo.files()
    if recursive:
        paths = sorted(files)
        entries = [{"path": p, "type": "blob", "mode": _mode(files[p])} for p in paths]
    else:
        entries = [
            {"path": entry["name"], "type": entry["type"], "mode": "100644"}
            for entry in tree_entries(files, "")
        ]
    return {"tree": entries[:TREE_ENTRIES], "truncated": len(entries) > TREE_ENTRIES}


def _mode(content: bytes | None) -> str:
    return "120000" if content is not None and content.startswith(b"../") else "100644"


def _contents(repo: Repo, path: str, asked: Asked) -> Answer:
    files = repo.files()
    if path not in files:
        return _folder(files, path)
    data = files[path] or b"filler\n"
    if "raw" in asked.headers.get("accept", ""):
        return as_text(data)
    if len(data) > 1_000_000:
        return as_json({"type": "file", "encoding": "none", "content": ""})
    return as_json({"type": "file", "encoding": "base64", "size": len(data)})


def _folder(files: dict[str, bytes | None], folder: str) -> Answer:
    entries = tree_entries(files, folder)
    if not entries:
        return as_json({"message": "Not Found"}, 404)
    top = f"{folder}/" if folder else ""
    kinds = {"blob": "file", "tree": "dir"}
    told = [
        {"name": entry["name"], "path": top + entry["name"], "type": kinds[entry["type"]]}
        for entry in entries[:FOLDER_ENTRIES]
    ]
    return as_json(told)


def _raw(asked: Asked, files: dict[str, bytes | None], path: str) -> Answer:
    if path not in files:
        return as_json({"message": "404 File Not Found"}, 404)
    return conditional(asked, as_text(files[path] or b"filler\n"))


def _count(asked: Asked) -> int:
    text = asked.query.get("per_page") or asked.query.get("limit") or str(_PAGE)
    return min(100, max(1, int(text))) if text.isdigit() else _PAGE

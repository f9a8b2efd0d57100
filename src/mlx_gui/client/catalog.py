"""What lies on the disks: removing models, the trash, aliases."""

from mlx_gui.client.connection import Connection
from mlx_gui.client.encoding import encoded, in_path
from mlx_gui.wire.aliases import AliasBody, AliasList, RemovedAlias
from mlx_gui.wire.disk import DiskUse
from mlx_gui.wire.removals import DeletedTrash, RemovedModelBody, RestoredModel, TrashList


class CatalogCalls(Connection):
    """What is asked of the disks, and done to what lies there."""

    def remove(
        self, name: str, *, keep_files: bool = False, for_good: bool = False, force: bool = False
    ) -> RemovedModelBody:
        """Answers when the files are in the trash, or deleted where that is to be `for_good`.

        Conflict while it answers, unless `force`.
        """
        asked = {"remove_files": "false" if keep_files else None}
        asked |= {"for_good": "true" if for_good else None, "force": "true" if force else None}
        query = {name: value for name, value in asked.items() if value is not None}
        path = f"/v1/models/{in_path(name, of='model')}"
        return self._ask("DELETE", path, RemovedModelBody, patient=True, query=query)

    def trash(self) -> TrashList:
        return self._ask("GET", "/v1/trash", TrashList)

    def restore(self, trash_id: str) -> RestoredModel:
        """Conflict where its place is taken."""
        path = f"/v1/trash/{in_path(trash_id, of='removed model')}/restore"
        return self._ask("POST", path, RestoredModel, patient=True)

    def delete_trash(self, trash_id: str) -> DeletedTrash:
        """Answers when it is gone for good."""
        path = f"/v1/trash/{in_path(trash_id, of='removed model')}"
        return self._ask("DELETE", path, DeletedTrash, patient=True)

    def disk(self) -> DiskUse:
        """Counted now, which takes a while on a slow disk."""
        return self._ask("GET", "/v1/system/disk", DiskUse, patient=True)

    def aliases(self) -> AliasList:
        return self._ask("GET", "/v1/aliases", AliasList)

    def alias(self, alias: str) -> AliasBody:
        """Raises NotFound."""
        return self._ask("GET", _alias_path(alias), AliasBody)

    def put_alias(self, alias: str, model: str) -> AliasBody:
        """Conflict for the id of an installed model."""
        return self._ask("PUT", _alias_path(alias), AliasBody, body=encoded({"model": model}))

    def remove_alias(self, alias: str) -> RemovedAlias:
        return self._ask("DELETE", _alias_path(alias), RemovedAlias)


def _alias_path(alias: str) -> str:
    return f"/v1/aliases/{in_path(alias, of='alias')}"

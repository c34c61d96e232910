from numba.core.caching import CacheImpl

from locount.compiled import loop


def test_where_no_folder_can_be_written_functions_are_compiled_in_each_run(monkeypatch):
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    assert loop(lambda x: x + 1)(2) == 3

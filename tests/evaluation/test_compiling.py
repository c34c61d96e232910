from locount.evaluation import compiling


def test_where_no_folder_can_be_written_functions_are_compiled_in_each_run(monkeypatch):
    original = compiling.njit

    def without_folder(function, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return original(function, **options)

    monkeypatch.setattr(compiling, "njit", without_folder)
    assert compiling.compiled(lambda x: x + 1)(2) == 3

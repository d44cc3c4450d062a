def pytest_generate_tests(metafunc):
    """Give the tests of a `CodeSuite` each of the cases its subclass names."""
    if "case" in metafunc.fixturenames:
        cases = metafunc.cls.cases
        ids = ["-".join(f"{k}={v}" for k, v in case.items()) for case in cases]
        metafunc.parametrize("case", cases, ids=ids)

def fetch(url, timeout=30.0, *headers, **options):
    """Fetch a page and cache it.

    The page is read as a whole. Names such as __init__, snake_case and 2*x*3 stay as they are, and so
    does List<T>.

    Args:
        url (str): The address, without its fragment.
        timeout (float, optional): How many seconds to wait. Defaults to 30.0.
            A second line goes on.
        *headers: Header lines.
        **options (dict[str, Any]): What else there is:
            - ``retries``: how often
            - ``cache``: whether

    Returns:
        Page: The page, or None if there is none.

    Raises:
        ValueError: If the address is wrong.
        TimeoutError: If it takes too long.

    Example:
        >>> fetch("https://example.org")
        <Page 1>

    Note:
        Not for large files.
    """
    return url


def scale(values):
    """Scale some values.

    See :func:`~shapes.resize` for the other way, ``numpy.ndarray`` for arrays.

    Args:
        values: The values.

    Yields:
        The scaled values, one by one.

    Examples::

        for value in scale([1, 2]):
            print(value)

    Shape:
        - Input: any number of values
        - Output: as many
    """
    yield values


def untyped(path):
    """Open a file.

    Args:
        the path and nothing else

    Returns:
        the file: open for reading
    """
    return path

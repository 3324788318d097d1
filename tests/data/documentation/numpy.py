def percentile(values, q, axis=None):
    """
    Compute percentiles of `values`.

    .. versionadded:: 1.4

    .. deprecated:: 2.0
        Use ``quantile``.

    Parameters
    ----------
    values : array_like of shape (n, m)
        The values.
    q, r : float
        Percentages, which are one of:

        * a number
        * a list of numbers
    axis : {int, None}, optional
        The axis. The default is ``None``.

    Returns
    -------
    result : ndarray
        The percentiles [1]_.
    count
        How many there are.

    Raises
    ------
    ValueError
        If `q` is out of range.

    See Also
    --------
    median : the middle
    quantile

    Notes
    -----
    The first paragraph.

    The second one: :math:`x^2`.

    References
    ----------
    .. [1] A. Author, "A title", 2020.

    Examples
    --------
    >>> percentile([1, 2], 50)
    1.5

    >>> percentile([1], 0)
    1
    """
    return values

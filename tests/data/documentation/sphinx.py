def connect(host, port=80, secure=True):
    """Connect to a server.

    Uses :class:`~net.sockets.Socket` and the `protocol <https://example.org/p_1>`_, see also
    `the manual`_ and :ref:`more <label>`.

    .. note:: Blocks until it is connected.

    .. code-block:: python

       connection = connect("localhost")
       connection.send(b"hello")

    Then close it::

        connection.close()

    :param str host: the name of the server
    :param port: the port,
        which is open
    :type port: int or None
    :param bool secure: whether to encrypt
    :returns: the connection
    :rtype: Connection
    :raises OSError: if there is no server
    :meta private:

    .. _the manual: https://example.org/manual
    """
    return host


def table():
    """Say what is what.

    ======  =====
    Name    Value
    ======  =====
    one     1
    two     2
    ======  =====

    .. warning::
       Not for the young.

       Nor for the old.

    .. seealso:: :meth:`connect`
    """
    return 1

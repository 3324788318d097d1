/**
 * \brief Opens the \c door with \p key.
 *
 * See \ref Door::close "closing", @ref Lock and \link Window the window \endlink; %Door, \e now and \b never.
 * \li one
 * \li two
 *
 * -# first
 * -# second
 *
 * \param[in]     key    the key
 * \param[in,out] state  the state,
 *                       which changes
 * \tparam T the type
 * \return true if \a key fits
 * \retval 0 for none
 * \throws std::runtime_error if it is broken
 * \note Take care.
 *
 * More after the note, with a formula \f$ x^2 \f$.
 *
 * \code{.cpp}
 * door.open<int>(key);
 * \endcode
 * \sa close(), Door::shut
 * \warning Loud.
 * \ingroup doors
 */
template <class T> bool open(T key, int& state) { return key; }

/// @brief Closes it; `int *a, char *b` or int *a, char *b.
/// @details With **all** its marks:
/// @verbatim
/// <raw> & text
/// @endverbatim
/// @returns nothing
/// @since 2.0
inline void shut() { open(1, 2); }

//! \qmlmethod void Door::slam()
//! Slams it. \l {Door}{The door} and \l{Window} \mycommand stay.
//! \list
//! \li A
//! \li B
//! \endlist
inline void slam() { shut(); }

// Not documented by commands: a[i](x) and operator<T>.
//     indented = code;
// NOLINTNEXTLINE
inline int plain(int* a, int* b) { return *a * *b; }

/**
 * Follows a circle. It is
 *
 *     p(phi) = R * (e1*cos(phi) + e2*sin(phi))
 *
 * where e1*e2 is 0.
 *
 * - In a list
 *
 *     more of its item
 *
 * \par Description
 *      Of its own.
 */
inline int circle(int phi) { return phi; }
